-- Run once by Postgres's image in an empty cluster: the owner, who migrates; the server's role, which owns nothing; the server's login.
\set owner_password `cat /run/secrets/owner_password`
\set server_password `cat /run/secrets/server_password`
CREATE ROLE meshgate_owner LOGIN CREATEROLE PASSWORD :'owner_password';
CREATE ROLE meshgate_server NOLOGIN;
CREATE ROLE meshgate LOGIN IN ROLE meshgate_server PASSWORD :'server_password';
CREATE DATABASE meshgate OWNER meshgate_owner;
