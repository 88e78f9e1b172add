# Calbridge. `make help` lists the targets.

# One set of flags for everything: Graph's models take a minute to compile per set.
export CGO_ENABLED = 0
export GOFLAGS = -trimpath -buildvcs=false

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test unit pictures race-light race bench soak fuzz package package-arm64 vet azurite readers browser once clean

VERSION ?= dev
COMMIT ?= $(shell git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || echo unknown)
FUZZTIME ?= 10s

# phase runs a target and prints how long it took.
phase = @start=$$(date +%s); printf '\n== %s\n' "$(1)"; $(MAKE) --no-print-directory $(1) $(2); printf '== %s: %s s\n' "$(1)" $$(( $$(date +%s) - start ))

# Packages whose tests link Graph's models: the race detector would compile those
# anew, which takes minutes.
models = go list -test -f '{{$$p := .ImportPath}}{{range .Deps}}{{if eq . "github.com/microsoftgraph/msgraph-sdk-go/models"}}{{$$p}}{{"\n"}}{{end}}{{end}}' ./... | sed 's/ .*//; s/\.test$$//; s/_test$$//' | sort -u

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

run: ## everything on this machine, with the bookings of examples/; ONCE=1 exits, PORT, PROCESSES=flex, VERBOSE=1
	@mkdir -p build/bin
	@go build -o build/bin/local ./cmd/local
	@exec build/bin/local

test: ## everything that CI asks for; installs what it needs
	$(call phase,vet)
	$(call phase,unit)
	$(call phase,race-light)
	$(call phase,package)
	$(call phase,package-arm64)
	$(call phase,once)

unit: azurite readers browser ## all tests, with Azurite, other readers of calendar files, and a browser
	@AZURITE=$$(local/tables/azurite.sh) ICS_READERS=$$(local/ics/readers.sh) \
		CHROMIUM=$$(local/browser/chromium.sh) AXE=$$(local/browser/axe.sh) go test ./...

pictures: browser ## docs/pictures anew
	@mkdir -p docs/pictures
	@PICTURES=$$PWD/docs/pictures CHROMIUM=$$(local/browser/chromium.sh) AXE=$$(local/browser/axe.sh) \
		go test -count 1 -run 'TravelFrom|PlanningWith|TrainingWithout' ./local/stories
	@ls -l docs/pictures

race-light: ## the race detector over all packages that do not link Graph's models
	@CGO_ENABLED=1 go test -short -race $$(comm -23 <(go list ./... | sort) <($(models)))

race: ## the race detector over the rest; minutes, and 5 GB of memory
	@CGO_ENABLED=1 go test -short -race $$(comm -12 <(CGO_ENABLED=1 go list -race ./... | sort) <($(models)))

bench: ## the figures of docs/performance.md
	@go test -run '^$$' -bench File ./shared/ics
	@go test -run '^$$' -bench 'Page|Connect' ./shared/portal ./local/stories
	@go test -count 1 -v -run TenThousand ./shared/downsync ./shared/subscribe
	@go test -run '^$$' -bench GraphNotif ./handlers
	@go test -run '^$$' -bench . -benchtime 1x -timeout 20m ./local/bench

soak: ## very many bookings under faults and kills: BOOKINGS (100000), SEED, DURATION of sending (8m)
	@BOOKINGS=$${BOOKINGS:-100000} DURATION=$${DURATION:-8m} go test -count 1 -v -timeout 20m ./local/soak

fuzz: ## every fuzz test for FUZZTIME (10s)
	@grep -rlE '^func Fuzz' --include=*_test.go . | while read -r file; do \
		for name in $$(grep -oE '^func Fuzz[A-Za-z0-9_]*' $$file | cut -d' ' -f2); do \
			echo "== $$(dirname $$file) $$name"; go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) $$(dirname $$file); \
		done; done

# With the Go that go.mod names: another one makes other bytes.
pack = GOTOOLCHAIN=go$$(awk '$$1 == "go" { print $$2 }' go.mod) go run ./cmd/package -sums -version '$(VERSION)' -commit '$(COMMIT)'

package: ## build/app and build/app.zip, as they are deployed
	@$(pack)

package-arm64: ## the same for linux/arm64, below build/arm64; Azure runs amd64
	@$(pack) -arch arm64 -out build/arm64

vet: ## gofmt, go vet, staticcheck
	@files=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); if [ -n "$$files" ]; then echo "gofmt these: $$files"; exit 1; fi
	@go vet ./...
	@go tool staticcheck ./...

# Azurite, which the suite of the tables also runs against, is an npm package.
azurite:
	@command -v npm >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get -qq update && apt-get -qq install -y nodejs npm; } \
		|| { echo "The tests need Node.js with npm (for Azurite): install them and run make test again." >&2; exit 1; }
	@local/tables/azurite.sh >/dev/null

# Other readers of calendar files: ical.js is an npm package, libical Debian's.
readers: azurite
	@local/ics/readers.sh >/dev/null

# Chromium is Debian's, axe-core an npm package.
browser: azurite
	@local/browser/chromium.sh >/dev/null
	@local/browser/axe.sh >/dev/null

# What `make run ONCE=1` does, on ports of its own choice so that it never meets a
# running one.
once:
	@$(MAKE) --no-print-directory run ONCE=1 PORT=0

clean: ## removes build/
	@rm -rf build
