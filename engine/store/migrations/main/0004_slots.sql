-- How many executions of a flow may run at once, and what becomes of those beyond (QUEUE, CANCEL, FAIL); null is no
-- limit. The latest revision's counts.
alter table flow add column concurrency bigint;
alter table flow add column behavior text;

-- Executions of flows with a limit: those that run (`taken` is 1), and those that wait for a slot, by `place`.
create table slot (
    place integer primary key autoincrement,
    tenant text not null,
    namespace text not null,
    flow text not null,
    execution text not null unique,
    taken integer not null
);

create index slot_by_flow on slot (tenant, namespace, flow, taken, place);
