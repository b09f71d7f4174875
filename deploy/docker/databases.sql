-- One database and one role for each service that has state; nobody reads another service's tables.
\getenv scoring SCORING_PASSWORD
\getenv handoff HANDOFF_PASSWORD
\getenv sla_monitor SLA_MONITOR_PASSWORD
\getenv console CONSOLE_PASSWORD
create role scoring login password :'scoring';
create role handoff login password :'handoff';
create role sla_monitor login password :'sla_monitor';
create role console login password :'console';
create database scoring owner scoring;
create database handoff owner handoff;
create database sla_monitor owner sla_monitor;
create database console owner console;
revoke connect on database scoring, handoff, sla_monitor, console from public;
