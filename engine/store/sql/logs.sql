-- name: append_lines
-- `:rows` is a JSON list of lists; rows keep its order.
insert into line (at, level, message, namespace, flow, execution, task, task_run, attempt)
select
    json_extract(value, '$[0]'),
    json_extract(value, '$[1]'),
    json_extract(value, '$[2]'),
    json_extract(value, '$[3]'),
    json_extract(value, '$[4]'),
    json_extract(value, '$[5]'),
    json_extract(value, '$[6]'),
    json_extract(value, '$[7]'),
    json_extract(value, '$[8]')
from json_each(:rows)
order by key

-- name: append_metrics
insert into metric (at, type, name, value, tags, namespace, flow, execution, task, task_run)
select
    json_extract(value, '$[0]'),
    json_extract(value, '$[1]'),
    json_extract(value, '$[2]'),
    json_extract(value, '$[3]'),
    json_extract(value, '$[4]'),
    json_extract(value, '$[5]'),
    json_extract(value, '$[6]'),
    json_extract(value, '$[7]'),
    json_extract(value, '$[8]'),
    json_extract(value, '$[9]')
from json_each(:rows)
order by key

-- name: read_lines
select position, at, level, message, namespace, flow, execution, task, task_run, attempt
from line
where position > :seen
    {and}
order by position limit :limit

-- name: remove_lines
delete from line {where}

-- name: remove_metrics
delete from metric {where}

-- name: read_metrics
select at, type, name, value, tags, namespace, flow, execution, task, task_run
from metric
{where}
order by position

-- name: search_lines
select at, level, message, namespace, flow, execution, task, task_run, attempt
from line
{where}
order by position {order} limit :limit offset :offset

-- name: count_lines
select count(*) from line {where}

-- name: metric_names
select distinct name from metric {where}

-- name: metric_tasks
select distinct task from metric where task is not null {and}

-- name: metric_buckets
-- Values that are no numbers are stored as null, and count for nothing.
select at - at % :span, count(value), sum(value), min(value), max(value)
from metric
where value is not null {and}
group by 1

-- name: append_evaluations
insert into evaluation (at, took, namespace, flow, trigger_id, outcome, detail, date, execution)
select
    json_extract(value, '$[0]'),
    json_extract(value, '$[1]'),
    json_extract(value, '$[2]'),
    json_extract(value, '$[3]'),
    json_extract(value, '$[4]'),
    json_extract(value, '$[5]'),
    json_extract(value, '$[6]'),
    json_extract(value, '$[7]'),
    json_extract(value, '$[8]')
from json_each(:rows)
order by key

-- name: read_evaluations
select at, took, namespace, flow, trigger_id, outcome, detail, date, execution
from evaluation
{where}
order by position desc limit :limit
