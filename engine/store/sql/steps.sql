-- Steps of many executions at once. `:rows` is a JSON list of lists, one for each row; documents travel beside it in
-- `:docs`, end to end, and a row names its part by offset (from 1) and length.

-- name: losing_steps
-- Positions in `:rows` of the steps that come too late: their execution has another version, another owner, or exists.
with step as (
    select
        key,
        json_extract(value, '$[0]') as id,
        json_extract(value, '$[8]') as owner,
        json_extract(value, '$[9]') as version
    from json_each(:rows)
)
select step.key
from step left join execution on execution.id = step.id
where case
    when step.version = 1 then execution.id is not null
    else execution.id is null
        or execution.version <> step.version - 1
        or execution.owner not in ('', step.owner)
end

-- name: insert_executions
with step as (
    select
        json_extract(value, '$[0]') as id,
        json_extract(value, '$[1]') as tenant,
        json_extract(value, '$[2]') as namespace,
        json_extract(value, '$[3]') as flow,
        json_extract(value, '$[4]') as revision,
        json_extract(value, '$[5]') as state,
        json_extract(value, '$[6]') as created,
        json_extract(value, '$[7]') as ended,
        json_extract(value, '$[8]') as owner,
        json_extract(value, '$[9]') as version,
        json_extract(value, '$[10]') as start,
        json_extract(value, '$[11]') as size
    from json_each(:rows)
)
insert into execution (id, tenant, namespace, flow, revision, state, created, ended, owner, version, doc)
select
    id, tenant, namespace, flow, revision, state, created, ended,
    case
        when ended is null
            or exists (select 1 from outgoing where outgoing.execution = step.id)
            or exists (select 1 from timer where timer.execution = step.id)
        then owner
        else ''
    end,
    version, cast(substr(:docs, start, size) as text)
from step
where true
on conflict (id) do nothing

-- name: update_executions
with step as (
    select
        json_extract(value, '$[0]') as id,
        json_extract(value, '$[4]') as revision,
        json_extract(value, '$[5]') as state,
        json_extract(value, '$[7]') as ended,
        json_extract(value, '$[8]') as owner,
        json_extract(value, '$[9]') as version,
        json_extract(value, '$[10]') as start,
        json_extract(value, '$[11]') as size
    from json_each(:rows)
)
update execution set
    revision = step.revision,
    state = step.state,
    ended = step.ended,
    owner = case
        when step.ended is null
            or exists (select 1 from outgoing where outgoing.execution = step.id)
            or exists (select 1 from timer where timer.execution = step.id)
        then step.owner
        else ''
    end,
    version = step.version,
    doc = cast(substr(:docs, step.start, step.size) as text)
from step
where execution.id = step.id
    and execution.version = step.version - 1
    and execution.owner in ('', step.owner)

-- name: save_task_runs
insert into task_run (execution, path, node, state, ord, value, doc)
select
    json_extract(value, '$[0]'),
    json_extract(value, '$[1]'),
    json_extract(value, '$[2]'),
    json_extract(value, '$[3]'),
    json_extract(value, '$[4]'),
    json_extract(value, '$[5]'),
    cast(substr(:docs, json_extract(value, '$[6]'), json_extract(value, '$[7]')) as text)
from json_each(:rows)
where true
on conflict (execution, path) do update set
    node = excluded.node,
    state = excluded.state,
    ord = excluded.ord,
    value = excluded.value,
    doc = excluded.doc

-- name: save_answers
insert into answer (execution, path, doc)
select
    json_extract(value, '$[0]'),
    json_extract(value, '$[1]'),
    cast(substr(:docs, json_extract(value, '$[2]'), json_extract(value, '$[3]')) as text)
from json_each(:rows)
where true
on conflict (execution, path) do update set doc = excluded.doc

-- name: save_outgoing
insert into outgoing (execution, path, attempt)
select json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
from json_each(:rows)
where true
on conflict (execution, path, attempt) do nothing

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

-- name: remove_task_runs
delete from task_run where (execution, path) in (
    select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each(:rows)
)

-- name: remove_answers
delete from answer where (execution, path) in (
    select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each(:rows)
)

-- name: remove_outgoing_below
delete from outgoing where (execution, path) in (
    select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each(:rows)
)

-- name: remove_timers_below
delete from timer where (execution, path) in (
    select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each(:rows)
)

-- name: remove_outgoing
delete from outgoing where (execution, path, attempt) in (
    select json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') from json_each(:rows)
)

-- name: remove_timers
delete from timer where (execution, path, kind) in (
    select json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') from json_each(:rows)
)
