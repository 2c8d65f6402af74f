# Two commands are enough: make demo, and make test.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

# A clone that belongs to somebody else (a container's root, say) has no version
# stamp that git would give; building goes on without.
ifneq ($(shell git status --porcelain >/dev/null 2>&1 && echo readable),readable)
export GOFLAGS += -buildvcs=false
endif

# What the demo is told, e.g. make demo ARGS="--addr 127.0.0.1:9000 --reset"
ARGS ?=

# The tests of the whole program send thousands of bad requests; under the race
# detector it plays its story, its races and its outages, and the rest without.
RACES_OF_THE_WHOLE := 'Story|Idempot|Outage|DatabaseGone|Session|Linear'

# The browser tests click through a running program; the race detector would
# only make them slow, and the same code is under it in the other packages.
BROWSER_TESTS := ./app/browsertest/...

# How much make crash breaks; the same tests, asked for less, are part of make test.
CRASHES ?= -server-kills 30 -postgres-kills 10 -backend-kills 5 -cuts 6 -hangs 8 -slows 6 -full-disk -fsync -between 150

.DEFAULT_GOAL := help
.PHONY: help demo test crash build lint fmt-check vet unit-test browser-test postgres machine clean

help: ## say what can be made (this)
	@echo "make demo    build jangteo and run it here with people, shops and a month of history; Ctrl-C ends it"
	@echo "             ARGS=\"--addr 127.0.0.1:8080 --data DIR --citizens N --months M --reset\" changes what it does"
	@echo "make test    check and test everything"
	@echo "make crash   kill servers and PostgreSQL under load, cut their line, fill the disk (as root); some 10 minutes"
	@echo
	@echo "make build   bin/jangteo alone (bin/jangteo --help says what it does)"
	@echo "make lint    gofmt, go vet and golangci-lint alone"
	@echo "make clean   remove what was built"
	@echo
	@echo "What is missing on the machine (PostgreSQL, and for the tests Chromium, zbar and golangci-lint) is installed on the way."

# exec, so that a signal to make's child is a signal to jangteo itself.
demo: postgres build
	@exec ./bin/jangteo demo $(ARGS)

# Without C, without a debugger's tables, with compilers of one thread each that
# seldom collect their garbage, the first build takes half of the time.
build:
	@CGO_ENABLED=0 GOGC=400 GOMAXPROCS=1 go build -p "$$(nproc)" -gcflags=all=-dwarf=false -ldflags="-s -w" -o bin/jangteo .

test: machine lint unit-test browser-test

postgres:
	@scripts/ensure-postgres

machine: postgres
	@scripts/ensure-chromium
	@scripts/ensure-zbar
	@scripts/ensure-c-compiler

lint: fmt-check vet
	@linter=$$(scripts/ensure-golangci-lint) && echo golangci-lint && "$$linter" run ./...

fmt-check:
	@echo gofmt
	@unformatted=$$(gofmt -l .) && if [ -n "$$unformatted" ]; then echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; fi

vet:
	@echo go vet
	@go vet ./...

unit-test: bin/testdb
	@echo go test -race
	@bin/testdb go test -race -timeout 15m $$(go list ./... | grep -Ev '/app$$|/app/browsertest$$|/app/cli$$|/app/crashtest$$')
	@bin/testdb go test -race -timeout 15m -run $(RACES_OF_THE_WHOLE) ./app
	@echo go test of the whole program
	@bin/testdb go test -timeout 15m ./app ./app/cli ./app/crashtest

crash: postgres
	@go test -v -count=1 -timeout 60m ./app/crashtest -args $(CRASHES)

browser-test: bin/testdb
	@echo browser tests
	@bin/testdb go test -timeout 20m $(BROWSER_TESTS)

bin/testdb: FORCE
	@go build -o $@ ./app/testkit/testdb
.PHONY: FORCE

clean:
	rm -rf bin
