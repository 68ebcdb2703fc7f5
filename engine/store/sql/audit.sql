-- name: add_audit
insert into audit (at, account, token, address, method, resource, namespace, target, status)
values (:at, :user, :token, :address, :method, :resource, :namespace, :target, :status)

-- name: list_audit
select at, account, token, address, method, resource, namespace, target, status
from audit
{where}
order by at desc, id desc limit :limit offset :offset

-- name: count_audit
select count(*) from audit {where}

-- name: purge_audit
delete from audit where at < :before returning id
