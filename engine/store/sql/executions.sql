-- name: load_execution
-- The execution, its task runs and its answers in one look: nothing of it can be of another version.
select 0 as kind, owner as name, doc from execution where id = :id
union all
select 1, path, doc from task_run where execution = :id
union all
select 2, path, doc from answer where execution = :id

-- name: execution_head
select owner, doc from execution where id = :id

-- name: execution_heads
select doc from execution where id in (select value from json_each(:executions))

-- name: list_executions
-- Chosen and sorted by what indexes hold, as far as they do; documents are read of those that are listed.
select doc from execution
where id in (select id from execution {where} order by {order} limit :limit offset :offset)
order by {order}

-- name: count_executions
select count(*) from (select 1 from execution {where} limit :most)

-- name: live_states
-- Whoever has an owner has not ended; those are in an index.
select state, count(*) from execution where owner <> '' group by state

-- name: distinct_values
select distinct {column} from execution {where} order by 1 limit :limit

-- name: owners
select distinct owner from execution where owner <> ''
union
select distinct owner from timer

-- name: adopt_executions
update execution set owner = :owner
where id in (select id from execution where owner = :dead and owner <> '' limit :limit)
returning id

-- name: adopt_timers
-- `:executions` is a JSON list of ids.
update timer set owner = :owner where execution in (select value from json_each(:executions))

-- name: adopt_stray_timers
-- Timers of executions that nobody owns, for they have ended.
update timer set owner = :owner where owner = :dead

-- name: adopt_messages
-- What was asked of the dead process is now asked of the new owner.
update message set node = :owner where execution in (select value from json_each(:executions))

-- name: claim_execution
update execution set owner = :owner where id = :id and owner = :previous returning id

-- name: with_iterations
-- An execution and, at any depth, the iterations of its loops.
with recursive whole (id) as (
    select id from execution where id = :id
    union all
    select execution.id from whole, execution where execution.caller = whole.id and execution.kind = 'LOOP'
)
select id from whole

-- name: is_of_version
select 1 from execution where id = :id and version = :version

-- name: delete_executions
-- `:executions` is a JSON list of ids, here and below.
delete from execution where id in (select value from json_each(:executions))

-- name: delete_task_runs
delete from task_run where execution in (select value from json_each(:executions))

-- name: delete_answers
delete from answer where execution in (select value from json_each(:executions))

-- name: delete_timers
delete from timer where execution in (select value from json_each(:executions))

-- name: delete_messages
delete from message where execution in (select value from json_each(:executions))
