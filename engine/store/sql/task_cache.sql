-- name: get_cached
select outputs, used from task_cache
where tenant = :tenant and key = :key and (expires is null or expires > :at)

-- name: put_cached
insert into task_cache (tenant, key, outputs, used, expires)
values (:tenant, :key, :outputs, :at, :expires)
on conflict (tenant, key) do update set outputs = excluded.outputs, used = excluded.used, expires = excluded.expires

-- name: use_cached
update task_cache set used = :at where tenant = :tenant and key = :key

-- name: purge_cached
delete from task_cache where expires <= :at or used < :unused
returning key
