#! /usr/bin/env bash

echo "prestart: before everything"
export FROM_PRESTART="set by prestart.sh in $PWD"
