-- Who may use the server. `password` is a hash, empty for users who sign in elsewhere.
create table account (
    name text primary key,
    password text not null,
    created bigint not null,
    updated bigint not null
) without rowid;

-- Roles in a namespace and those below it; the empty namespace stands for all.
create table account_role (
    account text not null,
    namespace text not null,
    role integer not null,
    primary key (account, namespace)
) without rowid;

-- What stands for a user without his password: API tokens, and sessions of pages. Only the hash of a secret is here.
create table token (
    id text primary key,
    account text not null,
    kind text not null,
    name text not null,
    hash text not null unique,
    created bigint not null,
    expires bigint
) without rowid;
create index token_account on token (account, kind);
