-- Outputs of tasks with `taskCache`, by a hash of all that they depend on. `expires` is null for what has no lifetime.
create table task_cache (
    tenant text not null,
    key text not null,
    outputs text not null,
    used bigint not null,
    expires bigint,
    primary key (tenant, key)
);
