-- Items that triggers detect. `:rows` is a JSON list of lists. Where they begin with a scope it stands there, and not in
-- a parameter, so that each row is looked up: by a parameter the planner would rather look at everything in that scope.

-- name: get_ledger_scope
select id, coverage, listing, listed, unordered from ledger_scope
where tenant = :tenant and namespace = :namespace and name = :name and source = :source

-- name: add_ledger_scope
insert into ledger_scope (tenant, namespace, name, source, listing, unordered, updated)
values (:tenant, :namespace, :name, :source, 0, 0, :at)
on conflict (tenant, namespace, name, source) do nothing

-- name: begin_ledger_listing
update ledger_scope set
    listing = listing + 1,
    unordered = :unordered,
    updated = :at
where id = :scope
returning listing

-- name: ledger_range
-- All that is known from an item on; the reader stops where it has enough.
select item, serial, state, etag, size, modified, version, found, changed, due, missed, change
from ledger_item
where scope = :scope and item >= :start
order by item, serial

-- name: ledger_of_items
select item, serial, state, etag, size, modified, version, found, changed, due, missed, change
from ledger_item
where scope = :scope and item in (select value from json_each(:items))
order by item, serial

-- name: miss_ledger_items
-- `:rows`: scope, item, serial.
update ledger_item set missed = :listing
from json_each(:rows) as row
where ledger_item.scope = json_extract(row.value, '$[0]')
    and ledger_item.item = json_extract(row.value, '$[1]')
    and ledger_item.serial = json_extract(row.value, '$[2]')

-- name: settle_ledger_items
update ledger_item set
    due = 0,
    reason = null
from json_each(:rows) as row
where ledger_item.scope = json_extract(row.value, '$[0]')
    and ledger_item.item = json_extract(row.value, '$[1]')
    and ledger_item.serial = json_extract(row.value, '$[2]')
    and ledger_item.state = 'NEW'

-- name: note_listed
insert into ledger_listed (scope, item) select :scope, value from json_each(:items) where true
on conflict (scope, item) do nothing

-- name: unlisted_items
select value from json_each(:items) as one
where not exists (select 1 from ledger_listed where scope = :scope and item = one.value)

-- name: forget_listed
delete from ledger_listed where scope = :scope

-- name: record_ledger_items
-- `:rows`: item, serial, state, etag, size, modified, version, change, previous, due.
insert into ledger_item (
    scope, item, serial, state, etag, size, modified, version, found, changed, change, previous, due, reason
)
select
    :scope, json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
    json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]'),
    :at, :at, json_extract(value, '$[7]'), json_extract(value, '$[8]'), json_extract(value, '$[9]'),
    case when json_extract(value, '$[9]') > 0 then 'settling' end
from json_each(:rows)
where true
on conflict (scope, item, serial) do nothing

-- name: drop_superseded
-- Earlier versions that nobody will do anything with any more.
delete from ledger_item
where scope = ? and item = ? and serial < ? and state not in ('READY', 'FIRED', 'ACTION_PENDING')

-- name: missed_items
select item, serial from ledger_item indexed by ledger_item_by_missed
where scope = :scope and missed = :listing
    and state in ('NEW', 'FAILED', 'DONE', 'BASELINE', 'FILTERED')
limit :limit

-- name: lose_ledger_items
update ledger_item set
    state = 'GONE',
    changed = :at,
    due = null,
    missed = null,
    reason = null,
    tries = 0
from json_each(:rows) as row
where ledger_item.scope = json_extract(row.value, '$[0]')
    and ledger_item.item = json_extract(row.value, '$[1]')
    and ledger_item.serial = json_extract(row.value, '$[2]')
    and ledger_item.state in ('NEW', 'FAILED', 'DONE', 'BASELINE', 'FILTERED')

-- name: finish_ledger_listing
update ledger_scope set
    coverage = :coverage,
    listed = :at,
    updated = :at
where id = :scope

-- name: claimable_items
-- Two parts, each in the order of the index: however many wait, no more is read than is taken.
select item, serial, found, tries from ledger_item indexed by ledger_item_by_due
where scope = :scope and state = 'NEW' and due <= :at and reason is null
union all
select item, serial, found, tries from ledger_item indexed by ledger_item_by_due
where scope = :scope and state = 'FAILED' and due <= :at
order by item, serial
limit :limit

-- name: claim_items
update ledger_item set
    state = 'FETCHING',
    taker = :taker,
    batch = :batch,
    due = :at,
    changed = :at
from json_each(:rows) as row
where ledger_item.scope = json_extract(row.value, '$[0]')
    and ledger_item.item = json_extract(row.value, '$[1]')
    and ledger_item.serial = json_extract(row.value, '$[2]')

-- name: open_batches
select batch, min(item) from ledger_item indexed by ledger_item_by_batch
where scope = :scope and state in ('FETCHING', 'READY') and due is not null and taker = :taker
group by batch
order by 2

-- name: ledger_batch
select
    item, serial, state, etag, size, modified, version, found, changed, change, previous, taker, batch, uri, sha256,
    execution, target, tries, due, reason
from ledger_item indexed by ledger_item_by_batch
where scope = :scope and batch = :batch and due is not null and state in ('FETCHING', 'READY')
order by item, serial

-- name: apply_steps
-- `:rows`: scope, item, serial, state before, state after, and an object of what changes with it.
update ledger_item set
    state = json_extract(row.value, '$[4]'),
    changed = :at,
    due = case
        when json_extract(row.value, '$[4]') in ('DONE', 'BASELINE', 'FILTERED', 'GONE') then null
        else coalesce(json_extract(row.value, '$[5].due'), 0)
    end,
    uri = coalesce(json_extract(row.value, '$[5].uri'), uri),
    sha256 = coalesce(json_extract(row.value, '$[5].sha256'), sha256),
    version = coalesce(json_extract(row.value, '$[5].version'), version),
    target = coalesce(json_extract(row.value, '$[5].target'), target),
    tries = coalesce(json_extract(row.value, '$[5].tries'), 0),
    reason = json_extract(row.value, '$[5].reason'),
    batch = case when json_extract(row.value, '$[4]') in ('NEW', 'FAILED') then null else batch end,
    taker = case when json_extract(row.value, '$[4]') in ('NEW', 'FAILED') then null else taker end
from json_each(:rows) as row
where ledger_item.scope = json_extract(row.value, '$[0]')
    and ledger_item.item = json_extract(row.value, '$[1]')
    and ledger_item.serial = json_extract(row.value, '$[2]')
    and ledger_item.state = json_extract(row.value, '$[3]')

-- name: drop_finished_before
-- A version that is done with and has a later one.
delete from ledger_item
where scope = ? and item = ? and serial = ? and state = 'DONE'
    and exists (
        select 1 from ledger_item as later
        where later.scope = ledger_item.scope and later.item = ledger_item.item and later.serial > ledger_item.serial
    )

-- name: consume_items
-- `:rows`: scope, item, serial, state after, execution, when.
update ledger_item set
    state = json_extract(row.value, '$[3]'),
    execution = json_extract(row.value, '$[4]'),
    changed = json_extract(row.value, '$[5]'),
    due = case when json_extract(row.value, '$[3]') = 'DONE' then null else 0 end,
    tries = 0,
    reason = null
from json_each(:rows) as row
where ledger_item.scope = json_extract(row.value, '$[0]')
    and ledger_item.item = json_extract(row.value, '$[1]')
    and ledger_item.serial = json_extract(row.value, '$[2]')
    and ledger_item.state = 'READY'

-- name: due_items
select
    item, serial, state, etag, size, modified, version, found, changed, change, previous, taker, batch, uri, sha256,
    execution, target, tries, due, reason
from ledger_item indexed by ledger_item_by_due
where scope = :scope and state = :state and due <= :at and (item, serial) > (:item, :serial)
order by item, serial
limit :limit

-- name: waited_for
select distinct execution from ledger_item indexed by ledger_item_by_due
where scope = :scope and state = 'FIRED' and due is not null

-- name: items_of_execution
select
    item, serial, state, etag, size, modified, version, found, changed, change, previous, taker, batch, uri, sha256,
    execution, target, tries, due, reason
from ledger_item indexed by ledger_item_by_due
where scope = :scope and state = 'FIRED' and due is not null and execution = :execution
order by item, serial

-- name: next_due_item
select min(due) from ledger_item indexed by ledger_item_by_due where scope = :scope and state = :state and due is not null

-- name: count_ledger_items
select state, count(*) from ledger_item where scope = :scope group by state

-- name: known_items
select
    item, serial, state, etag, size, modified, version, found, changed, change, previous, taker, batch, uri, sha256,
    execution, target, tries, due, reason
from ledger_item
where scope = :scope and (item, serial) > (:item, :serial)
order by item, serial
limit :limit

-- name: forgotten_items
select item, serial from ledger_item
where scope = :scope and state = 'GONE' and changed < :before
limit :limit

-- name: drop_gone_items
delete from ledger_item where scope = ? and item = ? and serial = ? and state = 'GONE'

-- name: idle_ledger_scopes
-- Those of no trigger that is remembered, and of none that share a key: who is switched off for long forgets nothing.
select id from ledger_scope
where updated < :before and name not like 'key:%'
    and not exists (
        select 1 from trigger_state
        where trigger_state.tenant = ledger_scope.tenant and trigger_state.namespace = ledger_scope.namespace
            and trigger_state.flow || '/' || trigger_state.id = ledger_scope.name
    )

-- name: drop_ledger_items
delete from ledger_item
where scope = :scope and (item, serial) in (
    select item, serial from ledger_item where scope = :scope limit :limit
)

-- name: drop_ledger_scope
delete from ledger_scope where id = :scope
