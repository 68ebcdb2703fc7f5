-- name: append_line
insert into line (at, level, message, namespace, flow, execution, task, task_run, attempt)
values (:at, :level, :message, :namespace, :flow, :execution, :task, :task_run, :attempt)

-- name: append_metric
insert into metric (at, type, name, value, tags, namespace, flow, execution, task, task_run)
values (:at, :type, :name, :value, :tags, :namespace, :flow, :execution, :task, :task_run)

-- name: read_lines
select position, at, level, message, namespace, flow, execution, task, task_run, attempt
from line
{where}
order by position limit :limit

-- name: read_metrics
select at, type, name, value, tags, namespace, flow, execution, task, task_run
from metric
{where}
order by position
