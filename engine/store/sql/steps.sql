-- What a step of an execution writes.

-- name: insert_execution
insert into execution (id, tenant, namespace, flow, state, created, owner, version, doc)
values (:id, :tenant, :namespace, :flow, :state, :created, :owner, :version, :doc)
on conflict (id) do nothing

-- name: update_execution
-- Nothing happens when the execution has another version than the step was made for, or another owner.
update execution set state = :state, owner = :owner, version = :version, doc = :doc
where id = :id and version = :version - 1 and owner in ('', :writer)

-- name: save_task_run
insert into task_run (execution, path, doc) values (:execution, :path, :doc)
on conflict (execution, path) do update set doc = excluded.doc

-- name: save_answer
insert into answer (execution, path, doc) values (:execution, :path, :doc)
on conflict (execution, path) do update set doc = excluded.doc

-- name: save_timer
insert into timer (execution, path, kind, due, owner) values (:execution, :path, :kind, :due, :owner)
on conflict (execution, path, kind) do update set due = excluded.due, owner = excluded.owner

-- name: remove_task_run
delete from task_run where execution = :execution and path = :path

-- name: remove_answer
delete from answer where execution = :execution and path = :path

-- name: remove_timers_of
delete from timer where execution = :execution and path = :path

-- name: remove_timer
delete from timer where execution = :execution and path = :path and kind = :kind
