-- States of triggers. `:rows` is a JSON list of lists that begin with tenant, namespace, flow and id.

-- name: get_trigger
select
    namespace, flow, id, type, fingerprint, stop_after, off, disabled, date, next, recover, execution, evaluated,
    fired, failures, error, backfill, heard, windows, updated, gone, version, serial
from trigger_state
where tenant = :tenant and namespace = :namespace and flow = :flow and id = :id and gone is null

-- name: list_triggers
select
    namespace, flow, id, type, fingerprint, stop_after, off, disabled, date, next, recover, execution, evaluated,
    fired, failures, error, backfill, heard, windows, updated, gone, version, serial
from trigger_state
where gone is null
    {and}
order by namespace, flow, id

-- name: changed_triggers
select
    namespace, flow, id, type, fingerprint, stop_after, off, disabled, date, next, recover, execution, evaluated,
    fired, failures, error, backfill, heard, windows, updated, gone, version, serial
from trigger_state
where serial > :serial
order by serial

-- name: declare_triggers
-- Those of a flow that is stored. What is written otherwise than before, or comes back, counts its dates from now on.
insert into trigger_state (
    tenant, namespace, flow, id, type, fingerprint, stop_after, off, next, disabled, failures, updated, version, serial
)
select
    json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
    json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]'), json_extract(value, '$[7]'),
    json_extract(value, '$[8]'), 0, 0, :at, 1, 1 + coalesce((select max(serial) from trigger_state), 0)
from json_each(:rows)
where true
on conflict (tenant, namespace, flow, id) do update set
    type = excluded.type,
    fingerprint = excluded.fingerprint,
    stop_after = excluded.stop_after,
    off = excluded.off,
    next = excluded.next,
    recover = null,
    failures = 0,
    error = null,
    updated = excluded.updated,
    gone = null,
    version = trigger_state.version + 1,
    serial = excluded.serial
where trigger_state.fingerprint <> excluded.fingerprint or trigger_state.gone is not null

-- name: forget_triggers
-- All of a flow but those named in `:ids`. They may come back for a while.
update trigger_state set
    gone = :at,
    execution = null,
    updated = :at,
    version = version + 1,
    serial = 1 + (select max(serial) from trigger_state)
where tenant = :tenant and namespace = :namespace and flow = :flow and gone is null
    and id not in (select value from json_each(:ids))

-- name: save_triggers
-- `:rows` goes on with the new version and all that changes.
update trigger_state set
    disabled = json_extract(row.value, '$[5]'),
    date = json_extract(row.value, '$[6]'),
    next = json_extract(row.value, '$[7]'),
    recover = json_extract(row.value, '$[8]'),
    execution = json_extract(row.value, '$[9]'),
    evaluated = json_extract(row.value, '$[10]'),
    fired = json_extract(row.value, '$[11]'),
    failures = json_extract(row.value, '$[12]'),
    error = json_extract(row.value, '$[13]'),
    backfill = json_extract(row.value, '$[14]'),
    heard = json_extract(row.value, '$[15]'),
    windows = json_extract(row.value, '$[16]'),
    updated = json_extract(row.value, '$[17]'),
    version = json_extract(row.value, '$[4]'),
    serial = 1 + (select max(serial) from trigger_state)
from json_each(:rows) as row
where trigger_state.tenant = json_extract(row.value, '$[0]')
    and trigger_state.namespace = json_extract(row.value, '$[1]')
    and trigger_state.flow = json_extract(row.value, '$[2]')
    and trigger_state.id = json_extract(row.value, '$[3]')
    and trigger_state.version = json_extract(row.value, '$[4]') - 1
    and trigger_state.gone is null

-- name: unlock_triggers
-- `:rows` goes on with an execution that has ended, here and below.
update trigger_state set
    execution = null,
    version = version + 1,
    serial = 1 + (select max(serial) from trigger_state)
where (tenant, namespace, flow, id) in (
    select trigger_state.tenant, trigger_state.namespace, trigger_state.flow, trigger_state.id
    from json_each(:rows) as row
    join trigger_state
        on trigger_state.tenant = json_extract(row.value, '$[0]')
        and trigger_state.namespace = json_extract(row.value, '$[1]')
        and trigger_state.flow = json_extract(row.value, '$[2]')
        and trigger_state.id = json_extract(row.value, '$[3]')
    where trigger_state.execution = json_extract(row.value, '$[4]')
)

-- name: stop_triggers
-- Those that the state of the execution switches off.
update trigger_state set
    disabled = 1,
    version = version + 1,
    serial = 1 + (select max(serial) from trigger_state)
where (tenant, namespace, flow, id) in (
    select trigger_state.tenant, trigger_state.namespace, trigger_state.flow, trigger_state.id
    from json_each(:rows) as row
    join trigger_state
        on trigger_state.tenant = json_extract(row.value, '$[0]')
        and trigger_state.namespace = json_extract(row.value, '$[1]')
        and trigger_state.flow = json_extract(row.value, '$[2]')
        and trigger_state.id = json_extract(row.value, '$[3]')
    where trigger_state.disabled = 0
        and instr(trigger_state.stop_after, ' ' || json_extract(row.value, '$[5]') || ' ') > 0
)

-- name: purge_triggers
delete from trigger_state where gone < :before
