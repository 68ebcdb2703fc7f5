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
    expires = excluded.expires,
    revision = case when kv.expires is null or kv.expires > :at then kv.revision + 1 else 1 end
where :overwrite = 1 or kv.expires <= :at
returning revision

-- name: get_value
select namespace, key, type, value, description, created, updated, expires, revision
from kv
where tenant = :tenant and namespace = :namespace and key = :key

-- name: list_values
select namespace, key, type, value, description, created, updated, expires, revision
from kv
where tenant = :tenant
    {and}
order by namespace, key

-- name: delete_value
-- With :expired only if it had expired by then.
delete from kv
where tenant = :tenant and namespace = :namespace and key = :key and (:expired is null or expires <= :expired)
returning key

-- name: keep_value
-- Keep the value that put_value is about to replace, unless it has expired.
insert into kv_revisions (tenant, namespace, key, revision, type, value, description, created, updated, expires)
select tenant, namespace, key, revision, type, value, description, created, updated, expires
from kv
where tenant = :tenant and namespace = :namespace and key = :key and :overwrite = 1
    and (expires is null or expires > :at)
on conflict do nothing

-- name: trim_values
-- Drop what is more than :keep before :revision, and what is left of an earlier life of the key.
delete from kv_revisions
where tenant = :tenant and namespace = :namespace and key = :key
    and (revision >= :revision or revision < :revision - :keep)

-- name: delete_revisions
delete from kv_revisions
where tenant = :tenant and namespace = :namespace and key = :key

-- name: older_values
select namespace, key, type, value, description, created, updated, expires, revision
from kv_revisions
where tenant = :tenant and namespace = :namespace and key = :key
order by revision desc

-- name: purge_revisions
-- The value of now is one of the :keep that stay.
delete from kv_revisions
where tenant = :tenant and namespace = :namespace and key = :key
    and (:before is null or updated < :before)
    and revision not in (
        select revision
        from kv_revisions
        where tenant = :tenant and namespace = :namespace and key = :key
        order by revision desc
        limit :keep - 1
    )
returning revision
