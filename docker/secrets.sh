#!/bin/sh
# Makes docker/secrets once: a password each for Postgres's administrator, the owner and the server, the URLs with them, and the key that
# webhooks' secrets are derived from.
# The folder is private; the files in it are readable, as the containers read them under numbers of their own.
set -eu
cd "$(dirname "$0")"
if [ -e secrets ]; then echo 'docker/secrets is there already.' >&2; exit 1; fi
mkdir -m 700 secrets
password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
owner=$(password)
server=$(password)
password >secrets/admin_password
printf %s "$owner" >secrets/owner_password
printf %s "$server" >secrets/server_password
printf %s "postgres://meshgate_owner:$owner@postgres:5432/meshgate" >secrets/database_owner_url
printf %s "postgres://meshgate:$server@postgres:5432/meshgate" >secrets/database_url
head -c 32 /dev/urandom | base64 | tr -d '\n' >secrets/webhook_keys
chmod 444 secrets/*
