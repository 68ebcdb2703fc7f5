-- Slots of flows with a limit. `:ids` is a JSON list of executions, `:rows` a JSON list of lists.

-- name: any_slot
select 1 from slot limit 1

-- name: flow_slots
-- The limit of the latest revision, and how it is used.
select
    concurrency,
    behavior,
    (
        select count(*) from slot
        where tenant = :tenant and namespace = :namespace and slot.flow = :flow and taken = 1
    ),
    exists (
        select 1 from slot
        where tenant = :tenant and namespace = :namespace and slot.flow = :flow and taken = 0
    )
from flow
where tenant = :tenant and namespace = :namespace and id = :flow
order by revision desc limit 1

-- name: slots_held
select execution from slot where taken = 1 and execution in (select value from json_each(:ids))

-- name: take_slots
insert into slot (tenant, namespace, flow, execution, taken)
select
    json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'), 1
from json_each(:rows)
where true
on conflict (execution) do update set taken = 1

-- name: wait_for_slots
insert into slot (tenant, namespace, flow, execution, taken)
select
    json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'), 0
from json_each(:rows)
where true
order by key
on conflict (execution) do nothing

-- name: free_slots
delete from slot where execution in (select value from json_each(:ids))
returning tenant, namespace, flow

-- name: grant_slots
-- To those that wait longest; a limit of -1 is none.
update slot set taken = 1
where place in (
    select place from slot
    where tenant = :tenant and namespace = :namespace and flow = :flow and taken = 0
    order by place limit :free
)
returning execution

-- name: tell_granted
-- A timer that is due at once: whoever owns the execution learns of its slot by it, whatever dies meanwhile.
insert into timer (execution, path, kind, due, owner)
select id, '', 'admitted', 0, owner from execution where id in (select value from json_each(:ids))
on conflict (execution, path, kind) do update set due = excluded.due, owner = excluded.owner
returning execution, owner

-- name: count_running
-- A flow that gets a limit counts what runs of it already.
insert into slot (tenant, namespace, flow, execution, taken)
select tenant, namespace, flow, id, 1
from execution
where owner <> '' and kind = 'NORMAL' and tenant = :tenant and namespace = :namespace and flow = :flow
    and state in ('RUNNING', 'PAUSED', 'RETRYING', 'RESTARTED', 'KILLING')
on conflict (execution) do nothing

-- name: slots_of_flow
select execution, taken from slot
where tenant = :tenant and namespace = :namespace and flow = :flow
order by place

-- name: limited_flows
select
    namespace, id, concurrency, behavior,
    (
        select count(*) from slot
        where slot.tenant = flow.tenant and slot.namespace = flow.namespace and slot.flow = flow.id and taken = 1
    ),
    (
        select count(*) from slot
        where slot.tenant = flow.tenant and slot.namespace = flow.namespace and slot.flow = flow.id and taken = 0
    )
from flow
where tenant = :tenant and concurrency is not null and deleted = 0
    and revision = (
        select max(revision) from flow as any_of
        where any_of.tenant = flow.tenant and any_of.namespace = flow.namespace and any_of.id = flow.id
    )
order by namespace, id

-- name: slot_faults
-- What can't be by the rules: a slot of an execution that has ended or is gone; an execution that runs or waits without
-- a row of its own; one that runs and waits; a queued one that was granted a slot and isn't told; a slot that is free
-- while somebody waits for it.
select 'stray' as fault, slot.tenant, slot.namespace, slot.flow, slot.execution
from slot left join execution on execution.id = slot.execution
where execution.id is null
    or execution.state in ('SUCCESS', 'WARNING', 'FAILED', 'KILLED', 'CANCELLED', 'RETRIED', 'SKIPPED')
union all
select
    case when execution.state = 'QUEUED' then 'unplaced' else 'uncounted' end,
    execution.tenant, execution.namespace, execution.flow, execution.id
from execution
where execution.owner <> ''
    and execution.kind = 'NORMAL'
    and execution.state in ('QUEUED', 'RUNNING', 'PAUSED', 'RETRYING', 'RESTARTED', 'KILLING')
    and not exists (select 1 from slot where slot.execution = execution.id)
    and (
        execution.state = 'QUEUED'
        or (
            select flow.concurrency from flow
            where flow.tenant = execution.tenant and flow.namespace = execution.namespace and flow.id = execution.flow
            order by flow.revision desc limit 1
        ) is not null
    )
union all
select 'uncounted', slot.tenant, slot.namespace, slot.flow, slot.execution
from slot join execution on execution.id = slot.execution
where slot.taken = 0 and execution.state in ('RUNNING', 'PAUSED', 'RETRYING', 'RESTARTED', 'KILLING')
union all
select 'untold', slot.tenant, slot.namespace, slot.flow, slot.execution
from slot join execution on execution.id = slot.execution
where slot.taken = 1 and execution.state = 'QUEUED'
    and not exists (
        select 1 from timer where timer.execution = slot.execution and timer.path = '' and timer.kind = 'admitted'
    )
union all
select 'free', waiting.tenant, waiting.namespace, waiting.flow, min(waiting.execution)
from slot as waiting
where waiting.taken = 0
group by waiting.tenant, waiting.namespace, waiting.flow
having coalesce(
    (
        select flow.concurrency from flow
        where flow.tenant = waiting.tenant and flow.namespace = waiting.namespace and flow.id = waiting.flow
        order by flow.revision desc limit 1
    ) > (
        select count(*) from slot as running
        where running.tenant = waiting.tenant and running.namespace = waiting.namespace
            and running.flow = waiting.flow and running.taken = 1
    ),
    true
)
