-- State changes of executions, and the triggers that listen to them. `:rows` is a JSON list of lists.

-- name: any_listener
select 1 from flow_listener limit 1

-- name: forget_listeners
delete from flow_listener where tenant = :tenant and namespace = :namespace and flow = :flow

-- name: declare_listeners
insert into flow_listener (tenant, namespace, flow, trigger_id, of_namespace, of_flow, front, states)
select
    json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
    json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]'), json_extract(value, '$[7]')
from json_each(:rows)

-- name: note_changes
-- Each row is an execution as it is about to be stored: id, tenant, namespace, flow and its history. What the stored one
-- has not come to yet is new. Nothing hears of executions of its own flow.
insert into state_change (tenant, namespace, flow, trigger_id, execution, sequence, state, at)
select distinct
    listener.tenant,
    listener.namespace,
    listener.flow,
    listener.trigger_id,
    json_extract(step.value, '$[0]'),
    change.key,
    json_extract(change.value, '$[0]'),
    json_extract(change.value, '$[1]')
from json_each(:rows) as step
join flow_listener as listener
    on listener.tenant = json_extract(step.value, '$[1]')
    and listener.of_namespace in ('', json_extract(step.value, '$[2]'))
    and listener.of_flow in ('', json_extract(step.value, '$[3]'))
join trigger_state
    on trigger_state.tenant = listener.tenant
    and trigger_state.namespace = listener.namespace
    and trigger_state.flow = listener.flow
    and trigger_state.id = listener.trigger_id
    and trigger_state.off = 0
    and trigger_state.disabled = 0
    and trigger_state.gone is null
left join execution on execution.id = json_extract(step.value, '$[0]')
join json_each(step.value, '$[4]') as change
    on change.key >= coalesce(json_array_length(execution.doc, '$.history'), 0)
    and instr(listener.states, ' ' || json_extract(change.value, '$[0]') || ' ') > 0
where substr(json_extract(step.value, '$[2]'), 1, length(listener.front)) = listener.front
    and not (
        listener.namespace = json_extract(step.value, '$[2]') and listener.flow = json_extract(step.value, '$[3]')
    )
order by step.key, change.key

-- name: forget_changes
delete from state_change where serial in (select value from json_each(:serials))

-- name: told_since
-- Triggers that were told of something after that.
select namespace, flow, trigger_id, max(serial)
from state_change
where serial > :serial
group by tenant, namespace, flow, trigger_id
order by max(serial)

-- name: changes_of_trigger
select serial, execution, sequence, state, at
from state_change
where tenant = :tenant and namespace = :namespace and flow = :flow and trigger_id = :id
order by serial
limit :limit

-- name: purge_changes
-- Those of triggers that are in no flow any more, after their states were purged.
delete from state_change
where not exists (
    select 1 from trigger_state
    where trigger_state.tenant = state_change.tenant
        and trigger_state.namespace = state_change.namespace
        and trigger_state.flow = state_change.flow
        and trigger_state.id = state_change.trigger_id
)
