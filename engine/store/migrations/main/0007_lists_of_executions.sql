-- Lists of a namespace and of what is below it, and of states; with all that lists are chosen and sorted by.
create index execution_by_namespace on execution (namespace, kind, created, id, state);
create index execution_by_state on execution (state, kind, created, id);
