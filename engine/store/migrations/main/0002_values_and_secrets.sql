-- `value` is JSON; `expires` is null for what stays.
create table kv (
    tenant text not null,
    namespace text not null,
    key text not null,
    type text not null,
    value text not null,
    description text,
    created bigint not null,
    updated bigint not null,
    expires bigint,
    primary key (tenant, namespace, key)
);

-- `sealed` is the value as the key of the data folder encrypted it; the empty namespace stands for all of them.
create table secret (
    tenant text not null,
    namespace text not null,
    key text not null,
    sealed text not null,
    description text,
    created bigint not null,
    updated bigint not null,
    primary key (tenant, namespace, key)
);
