-- name: create_migration
create table if not exists migration (number bigint primary key, name text not null, checksum text not null)

-- name: known_migration
select 1 from sqlite_master where name = 'migration'

-- name: list_migrations
select number, name, checksum from migration order by number

-- name: add_migration
insert into migration (number, name, checksum) values (:number, :name, :checksum)
