-- Namespaces that somebody made; others exist by what is in them.
create table namespace (
    tenant text not null,
    id text not null,
    description text,
    created bigint not null,
    primary key (tenant, id)
);
