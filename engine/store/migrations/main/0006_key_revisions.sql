alter table kv add column revision integer not null default 1;

-- What keys held before; the number of the value of now is in kv.
create table kv_revisions (
    tenant text not null,
    namespace text not null,
    key text not null,
    revision integer not null,
    type text not null,
    value text not null,
    description text,
    created integer not null,
    updated integer not null,
    expires integer,
    primary key (tenant, namespace, key, revision)
) without rowid;
