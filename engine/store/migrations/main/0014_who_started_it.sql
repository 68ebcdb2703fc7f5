-- The execution that started this one, by a task or by a trigger that listens to it.
alter table execution add column starter text;
update execution set starter = coalesce(caller, json_extract(doc, '$.trigger.variables.executionId'));
create index execution_by_starter on execution (starter, created) where starter is not null;
