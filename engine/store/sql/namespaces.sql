-- name: put_namespace
insert into namespace (tenant, id, description, created)
values (:tenant, :id, :description, :at)
on conflict (tenant, id) do update set description = excluded.description

-- name: list_namespaces
select id, description, created from namespace where tenant = :tenant order by id

-- name: delete_namespace
delete from namespace where tenant = :tenant and id = :id returning id
