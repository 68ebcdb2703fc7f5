create index metric_by_flow on metric (namespace, flow, name, at);
