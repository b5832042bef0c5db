-- People and machines that may get a token. Ids are unique in the installation, since nobody names a DISCOM when signing in.
create table account (
  account_id   text primary key,
  discom       text not null,
  kind         text not null check (kind in ('USER', 'CLIENT')),
  secret_hash  text not null,
  roles        text[] not null,
  organisation text not null,
  participant  text not null,
  closed       boolean not null default false
);

-- Authorisation codes: good once, for a minute of wall time, with the PKCE challenge they were asked with.
create table authorisation_code (
  code_digest  text primary key,
  account_id   text not null references account,
  client_id    text not null,
  redirect_uri text not null,
  challenge    text not null,
  expires_at   timestamptz not null
);
