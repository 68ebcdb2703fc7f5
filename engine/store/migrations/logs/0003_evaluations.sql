-- What came of looking at triggers. `date` is the one that it was about, if there is one.
create table evaluation (
    position integer primary key,
    at bigint not null,
    took bigint not null,
    namespace text not null,
    flow text not null,
    trigger_id text not null,
    outcome text not null,
    detail text,
    date bigint,
    execution text
);

create index evaluation_by_trigger on evaluation (namespace, flow, trigger_id, position);
