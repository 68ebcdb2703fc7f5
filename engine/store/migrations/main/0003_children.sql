-- `kind` is what the execution is there for; `caller` is the execution whose task run started it, at `caller_path`, as the
-- `caller_index`-th of several.
alter table execution add column kind text not null default 'NORMAL';
alter table execution add column caller text;
alter table execution add column caller_path text;
alter table execution add column caller_index bigint;

create index execution_by_caller on execution (caller, caller_path, caller_index) where caller is not null;

-- Lists show one kind of executions, and the others may be many.
drop index execution_by_created;
drop index execution_by_flow;
create index execution_by_created on execution (kind, created, id);
create index execution_by_flow on execution (namespace, flow, kind, created, id);
