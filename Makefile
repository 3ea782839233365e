# SPDX-License-Identifier: Apache-2.0
# An index: each target is one line, its logic is in tools/. Each says what it lacks.
.PHONY: help demo build test check lint fmt gen fuzz bench audit soak tools clean

help: ; @sed -n 's/^\([a-z]*\):[^#]*# /  make \1	/p' Makefile | expand -t 16
demo:  ; @tools/demo.sh $(ARGS)    # two nations on this machine play the main job; ARGS="..."
build: ; @tools/build.sh           # bin/accord
test:  ; @tools/test.sh $(ARGS)    # every test, with real servers where they are installed
check: ; @tools/check.sh $(ARGS)   # format, vet, lint, generated files, modules, race detector
lint:  ; @tools/lint.sh            # golangci-lint
fmt:   ; @tools/lint.sh --fix      # put the files into form: gofumpt, imports in order
gen:   ; @tools/gen.sh             # write what is generated anew
fuzz:  ; @tools/fuzz.sh $(RUN)     # every fuzz target for FUZZTIME (10s); RUN=FuzzParse for some
bench: ; @tools/bench.sh $(ARGS)   # benchmarks; BENCH=regexp BENCHTIME=1s COUNT=1
audit: ; @tools/audit.sh           # known holes in what we depend on; needs the network
soak:  ; @tools/soak.sh            # concurrent rooms, shuffled, race detector, for SOAK (30m)
tools: ; @tools/tools.sh           # install what the tests need (Debian, Ubuntu)
clean: ; @rm -rf bin dist .demo    # what make writes, but for .tools
