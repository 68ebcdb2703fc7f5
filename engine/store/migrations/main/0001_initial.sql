create table flow (
    tenant text not null,
    namespace text not null,
    id text not null,
    revision bigint not null,
    source text not null,
    created bigint not null,
    deleted integer not null,
    primary key (tenant, namespace, id, revision)
);

-- `doc` is the execution as the engine encodes it, opaque here; whatever is filtered by has a column.
-- `owner` is the process that has it in hand, empty once nothing is left to do.
create table execution (
    id text not null primary key,
    tenant text not null,
    namespace text not null,
    flow text not null,
    state text not null,
    created bigint not null,
    owner text not null,
    version bigint not null,
    doc text not null
);

create index execution_by_created on execution (created, id);
create index execution_by_flow on execution (namespace, flow, created, id);
create index execution_by_owner on execution (owner) where owner <> '';

create table task_run (
    execution text not null,
    path text not null,
    doc text not null,
    primary key (execution, path)
);

-- What an expression of a block came to, such as the values of a loop.
create table answer (
    execution text not null,
    path text not null,
    doc text not null,
    primary key (execution, path)
);

-- `owner` repeats the execution's, so that each process finds its next timer by one look at an index.
create table timer (
    execution text not null,
    path text not null,
    kind text not null,
    due bigint not null,
    owner text not null,
    primary key (execution, path, kind)
);

create index timer_by_due on timer (owner, due);

create table node (
    id text not null primary key,
    pid bigint not null,
    started bigint not null
);

create table message (
    id integer primary key autoincrement,
    node text not null,
    execution text not null,
    body blob not null
);

create index message_by_node on message (node, id);
