-- What is remembered of triggers. `stop_after` is a list of states between spaces, `backfill` as the engine encodes it.
-- `serial` grows with each change over all rows, so that who knows of all changes up to one asks for those after it.
create table trigger_state (
    tenant text not null,
    namespace text not null,
    flow text not null,
    id text not null,
    type text not null,
    fingerprint text not null,
    stop_after text not null,
    off integer not null,
    disabled integer not null,
    date bigint,
    next bigint,
    recover text,
    execution text,
    evaluated bigint,
    fired bigint,
    failures bigint not null,
    error text,
    backfill text,
    updated bigint not null,
    gone bigint,
    version bigint not null,
    serial bigint not null,
    primary key (tenant, namespace, flow, id)
);

create index trigger_state_by_serial on trigger_state (serial);
create index trigger_state_by_gone on trigger_state (gone) where gone is not null;
