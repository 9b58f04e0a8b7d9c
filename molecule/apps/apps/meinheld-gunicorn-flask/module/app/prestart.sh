#! /usr/bin/env bash

python /app/prepare.py
export FROM_PRESTART=$(cat /tmp/prepared)
