-- Who listens to executions of other flows: of one flow, of all of a namespace or of all whose namespace begins so. An
-- empty `of_namespace` or `of_flow` stands for any; `states` is a list of states between spaces.
create table flow_listener (
    tenant text not null,
    namespace text not null,
    flow text not null,
    trigger_id text not null,
    of_namespace text not null,
    of_flow text not null,
    front text not null,
    states text not null
);

create index flow_listener_by_upstream on flow_listener (tenant, of_namespace, of_flow);
create index flow_listener_by_flow on flow_listener (tenant, namespace, flow);

-- What listeners have still to decide on: an execution came to a state, its `sequence`-th from 0.
create table state_change (
    serial integer primary key autoincrement,
    tenant text not null,
    namespace text not null,
    flow text not null,
    trigger_id text not null,
    execution text not null,
    sequence bigint not null,
    state text not null,
    at bigint not null
);

create index state_change_by_trigger on state_change (tenant, namespace, flow, trigger_id, serial);

-- `heard` is the last one that the trigger decided on; `windows` is as the engine encodes it.
alter table trigger_state add column heard bigint;
alter table trigger_state add column windows text;
