-- name: due_timers
select execution, path, kind, due from timer where owner = :owner and due <= :now order by due limit :limit

-- name: next_due
select min(due) from timer where owner = :owner
