-- Who changed what: one row for each request that changes something.
create table audit (
    id integer primary key,
    at bigint not null,
    account text not null,
    token text not null,
    address text not null,
    method text not null,
    resource text not null,
    namespace text not null,
    target text not null,
    status integer not null
);
create index audit_at on audit (at);
create index audit_account on audit (account, at);
create index audit_namespace on audit (namespace, at);
