-- name: register_node
insert into node (id, pid, started) values (:id, :pid, :started)
on conflict (id) do update set pid = excluded.pid, started = excluded.started

-- name: retire_node
delete from node where id = :id

-- name: drop_messages
delete from message where node = :node

-- name: list_nodes
select id, pid, started from node order by started, id

-- name: send_message
insert into message (node, execution, body) values (:node, :execution, :body)

-- name: take_messages
select id, execution, body from message where node = :node order by id limit :limit

-- name: remove_messages
-- `:ids` is a JSON list.
delete from message where id in (select value from json_each(:ids))
