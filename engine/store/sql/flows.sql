-- name: save_flow
-- A new revision, unless the latest one says the same.
insert into flow (tenant, namespace, id, revision, source, created, deleted, concurrency, behavior)
select
    :tenant, :namespace, :id,
    1 + coalesce(
        (select max(revision) from flow where tenant = :tenant and namespace = :namespace and id = :id), 0
    ),
    :source, :at, 0, :concurrency, :behavior
where not exists (
    select 1 from flow as latest
    where tenant = :tenant and namespace = :namespace and id = :id and deleted = 0 and source = :source
        and revision = (select max(revision) from flow where tenant = :tenant and namespace = :namespace and id = :id)
)

-- name: delete_flow
insert into flow (tenant, namespace, id, revision, source, created, deleted, concurrency, behavior)
select tenant, namespace, id, revision + 1, source, :at, 1, concurrency, behavior
from flow
where tenant = :tenant and namespace = :namespace and id = :id and deleted = 0
    and revision = (select max(revision) from flow where tenant = :tenant and namespace = :namespace and id = :id)
returning revision

-- name: latest_flow
select namespace, id, revision, source, created, tenant, deleted
from flow
where tenant = :tenant and namespace = :namespace and id = :id
order by revision desc limit 1

-- name: flow_revision
select namespace, id, revision, source, created, tenant, deleted
from flow
where tenant = :tenant and namespace = :namespace and id = :id and revision = :revision

-- name: flow_revisions
select namespace, id, revision, source, created, tenant, deleted
from flow
where tenant = :tenant and namespace = :namespace and id = :id
order by revision

-- name: delete_flow_revisions
-- `:revisions` is a JSON list of numbers.
delete from flow
where tenant = :tenant and namespace = :namespace and id = :id
    and revision in (select value from json_each(:revisions))
    and revision < (select max(revision) from flow where tenant = :tenant and namespace = :namespace and id = :id)
returning revision

-- name: list_flows
select namespace, id, revision, source, created, tenant, deleted
from flow
where deleted = 0
    {and}
    and revision = (
        select max(revision) from flow as latest
        where latest.tenant = flow.tenant and latest.namespace = flow.namespace and latest.id = flow.id
    )
order by namespace, id
