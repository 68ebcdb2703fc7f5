-- name: put_secret
insert into secret (tenant, namespace, key, sealed, description, created, updated)
values (:tenant, :namespace, :key, :sealed, :description, :at, :at)
on conflict (tenant, namespace, key) do update set
    sealed = excluded.sealed,
    description = coalesce(excluded.description, secret.description),
    updated = excluded.updated

-- name: find_secret
-- The nearest of several namespaces; :namespaces is a JSON list, nearest first.
select secret.sealed
from json_each(:namespaces) as wanted
join secret on secret.tenant = :tenant and secret.namespace = wanted.value and secret.key = :key
order by wanted.key limit 1

-- name: list_secrets
select namespace, key, description, created, updated
from secret
where tenant = :tenant
    {and}
order by namespace, key

-- name: delete_secret
delete from secret where tenant = :tenant and namespace = :namespace and key = :key returning key
