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
-- `ended` is null until the state is terminal; `owner` is empty once nothing is left to do.
create table execution (
    id text not null primary key,
    tenant text not null,
    namespace text not null,
    flow text not null,
    revision bigint not null,
    state text not null,
    created bigint not null,
    ended bigint,
    owner text not null,
    version bigint not null,
    doc text not null
);

create index execution_by_created on execution (created, id);
create index execution_by_flow on execution (namespace, flow, created, id);
create index execution_by_state on execution (state, created, id);
create index execution_by_owner on execution (owner) where owner <> '';

create table task_run (
    execution text not null,
    path text not null,
    node text not null,
    state text not null,
    ord bigint not null,
    value text,
    doc text not null,
    primary key (execution, path)
);

create table answer (
    execution text not null,
    path text not null,
    doc text not null,
    primary key (execution, path)
);

create table outgoing (
    execution text not null,
    path text not null,
    attempt bigint not null,
    primary key (execution, path, attempt)
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
    body text not null
);

create index message_by_node on message (node, id);
