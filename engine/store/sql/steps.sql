-- Steps of many executions at once, one statement a table. `:rows` is a JSON list of lists, one for each row; documents
-- are texts in it, so that nothing here looks into them.

-- name: insert_executions
-- Executions that exist already are left out, and those that want to be of the latest revision and aren't.
insert into execution (
    id, tenant, namespace, flow, state, created, owner, version, doc, kind, caller, caller_path, caller_index,
    starter
)
select
    json_extract(value, '$[0]'),
    json_extract(value, '$[1]'),
    json_extract(value, '$[2]'),
    json_extract(value, '$[3]'),
    json_extract(value, '$[4]'),
    json_extract(value, '$[5]'),
    json_extract(value, '$[6]'),
    json_extract(value, '$[8]'),
    json_extract(value, '$[9]'),
    json_extract(value, '$[11]'),
    json_extract(value, '$[12]'),
    json_extract(value, '$[13]'),
    json_extract(value, '$[14]'),
    json_extract(value, '$[15]')
from json_each(:rows)
where not exists (
    select 1 from flow
    where flow.tenant = json_extract(value, '$[1]')
        and flow.namespace = json_extract(value, '$[2]')
        and flow.id = json_extract(value, '$[3]')
        and flow.revision > json_extract(value, '$[10]')
)
on conflict (id) do nothing

-- name: update_executions
-- Executions of another version than the step was made for, or of another owner, are left out.
update execution set
    state = json_extract(step.value, '$[4]'),
    owner = json_extract(step.value, '$[6]'),
    version = json_extract(step.value, '$[8]'),
    doc = json_extract(step.value, '$[9]')
from json_each(:rows) as step
where execution.id = json_extract(step.value, '$[0]')
    and execution.version = json_extract(step.value, '$[8]') - 1
    and execution.owner in ('', json_extract(step.value, '$[7]'))

-- name: remove_task_runs
delete from task_run where (execution, path) in (
    select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each(:rows)
)

-- name: remove_answers
delete from answer where (execution, path) in (
    select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each(:rows)
)

-- name: remove_timers_of
delete from timer where (execution, path) in (
    select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each(:rows)
)

-- name: remove_timers
delete from timer where (execution, path, kind) in (
    select json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') from json_each(:rows)
)

-- name: forget_told
-- Ends that are taken in now; one whose timer is gone was taken in before. `:rows` is a JSON list of ids.
delete from timer
where execution in (select value from json_each(:rows)) and path = '' and kind = 'tell'

-- name: save_task_runs
insert into task_run (execution, path, doc)
select json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
from json_each(:rows)
where true
on conflict (execution, path) do update set doc = excluded.doc

-- name: save_answers
insert into answer (execution, path, doc)
select json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
from json_each(:rows)
where true
on conflict (execution, path) do update set doc = excluded.doc

-- name: save_timers
insert into timer (execution, path, kind, due, owner)
select
    json_extract(value, '$[0]'),
    json_extract(value, '$[1]'),
    json_extract(value, '$[2]'),
    json_extract(value, '$[3]'),
    json_extract(value, '$[4]')
from json_each(:rows)
where true
on conflict (execution, path, kind) do update set due = excluded.due, owner = excluded.owner
