-- name: due_timers
select execution, path, kind, due from timer where owner = :owner and due <= :now order by due limit :limit

-- name: next_due
select min(due) from timer where owner = :owner

-- name: telling
-- `:executions` is a JSON list of ids.
select execution from timer
where execution in (select value from json_each(:executions)) and path = '' and kind = 'tell'
