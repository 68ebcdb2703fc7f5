-- name: put_value
-- What has expired by :at is as good as gone. Nothing is returned where :overwrite is 0 and the key is taken.
insert into kv (tenant, namespace, key, type, value, description, created, updated, expires)
values (:tenant, :namespace, :key, :type, :value, :description, :at, :at, :expires)
on conflict (tenant, namespace, key) do update set
    type = excluded.type,
    value = excluded.value,
    description = coalesce(excluded.description, kv.description),
    created = case when kv.expires is null or kv.expires > :at then kv.created else excluded.created end,
    updated = excluded.updated,
    expires = excluded.expires
where :overwrite = 1 or kv.expires <= :at
returning key

-- name: get_value
select namespace, key, type, value, description, created, updated, expires
from kv
where tenant = :tenant and namespace = :namespace and key = :key

-- name: list_values
select namespace, key, type, value, description, created, updated, expires
from kv
where tenant = :tenant
    {and}
order by namespace, key

-- name: delete_value
-- With :expired only if it had expired by then.
delete from kv
where tenant = :tenant and namespace = :namespace and key = :key and (:expired is null or expires <= :expired)
returning key
