create table line (
    position integer primary key,
    at bigint not null,
    level text not null,
    message text not null,
    namespace text not null,
    flow text not null,
    execution text not null,
    task text,
    task_run text,
    attempt bigint
);

create index line_by_execution on line (execution, position);

-- `value` is null for what is no number.
create table metric (
    position integer primary key,
    at bigint not null,
    type text not null,
    name text not null,
    value double precision,
    tags text not null,
    namespace text not null,
    flow text not null,
    execution text not null,
    task text,
    task_run text
);

create index metric_by_execution on metric (execution, position);
