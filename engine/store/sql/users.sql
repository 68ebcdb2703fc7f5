-- name: add_account
-- With :first only where there is none at all.
insert into account (name, password, created, updated)
select :name, :password, :at, :at
where :first = 0 or not exists (select 1 from account)
on conflict do nothing
returning name

-- name: list_accounts
select account.name, account.password, account.created, account.updated, held.namespace, held.role
from account
left join account_role as held on held.account = account.name
where :name is null or account.name = :name
order by account.name, held.namespace

-- name: any_account
select 1 from account limit 1

-- name: set_password
update account set password = :password, updated = :at where name = :name returning name

-- name: touch_account
update account set updated = :at where name = :name returning name

-- name: put_role
insert into account_role (account, namespace, role)
values (:name, :namespace, :role)
on conflict (account, namespace) do update set role = excluded.role

-- name: delete_role
delete from account_role where account = :name and namespace = :namespace

-- name: delete_roles
delete from account_role where account = :name

-- name: delete_account
delete from account where name = :name returning name

-- name: add_token
insert into token (id, account, kind, name, hash, created, expires)
select :id, name, :kind, :token, :hash, :created, :expires
from account
where name = :account and not exists (
    select 1 from token where account = :account and kind = 'API' and :kind = 'API' and name = :token
)
returning id

-- name: find_token
select id, account, kind, name, created, expires from token where hash = :hash

-- name: list_tokens
select id, account, kind, name, created, expires
from token
where kind = 'API'
    {and}
order by account, created, id

-- name: delete_token
delete from token where account = :account and id = :id returning id

-- name: delete_tokens
delete from token where account = :account and (:kind is null or kind = :kind) returning id

-- name: purge_tokens
delete from token where expires <= :at returning id
