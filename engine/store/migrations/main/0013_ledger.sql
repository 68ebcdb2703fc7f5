-- What triggers remember of the items that they detect. A scope is what one trigger, or several with one state key,
-- remember of one source. `coverage` says which items the last whole listing looked at.
create table ledger_scope (
    id integer primary key,
    tenant text not null,
    namespace text not null,
    name text not null,
    source text not null,
    coverage text,
    listing bigint not null,
    listed bigint,
    unordered integer not null,
    updated bigint not null,
    unique (tenant, namespace, name, source)
);

-- A row for each version of an item. `due` is set while something is to be done with it; `missed` is the number of the
-- last listing that didn't show it.
create table ledger_item (
    scope bigint not null,
    item text not null,
    serial bigint not null,
    state text not null,
    etag text not null,
    size bigint not null,
    modified bigint,
    version text,
    found bigint not null,
    changed bigint not null,
    change text,
    previous text,
    taker text,
    batch text,
    uri text,
    sha256 text,
    execution text,
    target text,
    tries bigint not null default 0,
    due bigint,
    reason text,
    missed bigint,
    primary key (scope, item, serial)
) without rowid;

create index ledger_item_by_due on ledger_item (scope, state, item, serial) where due is not null;
create index ledger_item_by_batch on ledger_item (scope, batch, item, serial) where due is not null;
create index ledger_item_by_missed on ledger_item (scope, missed) where missed is not null;

-- The items of a listing that is not in order, while it goes on.
create table ledger_listed (
    scope bigint not null,
    item text not null,
    primary key (scope, item)
) without rowid;
