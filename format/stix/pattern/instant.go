// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"cmp"
	"errors"
	"math"
	"strings"
	"time"
)

// instant is a timestamp of §2.16 in full: it may have any number of fractional
// digits, and they all count when two are compared.
type instant struct {
	sec      int64  // since the Unix epoch
	fraction string // decimal digits without trailing zeros
}

// readInstant reads what §2.16 allows: RFC 3339 with a T and a Z, both capital. A
// leap second is the instant after it.
func readInstant(s string) (instant, bool) {
	n := len(s)
	if n < 20 || s[10] != 'T' || s[n-1] != 'Z' {
		return instant{}, false
	}
	main, leap := s[:19], int64(0)
	if strings.HasSuffix(main, "T23:59:60") {
		main, leap = main[:17]+"59", 1
	}
	t, err := time.Parse("2006-01-02T15:04:05", main)
	if err != nil {
		return instant{}, false
	}
	fraction := s[19 : n-1]
	if fraction != "" {
		if fraction[0] != '.' || len(fraction) == 1 || strings.Trim(fraction[1:], "0123456789") != "" {
			return instant{}, false
		}
		fraction = strings.TrimRight(fraction[1:], "0")
	}
	return instant{sec: t.Unix() + leap, fraction: fraction}, true
}

func (a instant) compare(b instant) int {
	if c := cmp.Compare(a.sec, b.sec); c != 0 {
		return c
	}
	return strings.Compare(a.fraction, b.fraction) // trailing zeros are gone, so this is their order
}

// places returns the first n digits of the fraction as a number.
func (a instant) places(n int) (out int64) {
	for i := range n {
		out *= 10
		if i < len(a.fraction) {
			out += int64(a.fraction[i] - '0')
		}
	}
	return out
}

func (a instant) time() time.Time { return time.Unix(a.sec, a.places(9)).UTC() }

// ticks is a in units of 100 ns, the finest that years 0 to 9999 have in 64 bits;
// finer digits are dropped.
func (a instant) ticks() int64 { return a.sec*int64(time.Second/tick) + a.places(7) }

// span reads the number of seconds of WITHIN as the most ticks by which two
// instants may differ: the window's far end is not in it (§9.5.1).
func span(seconds string) (int64, error) {
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(seconds, "+"), ".")
	var n int64
	for _, c := range []byte(whole) {
		if n = n*10 + int64(c-'0'); n > 400_000_000_000 {
			return math.MaxInt64 / 4, nil // longer than all years there are
		}
	}
	i := instant{sec: n, fraction: strings.TrimRight(fraction, "0")}
	t := i.ticks()
	if len(i.fraction) > 7 {
		t++
	}
	if t == 0 {
		return 0, errors.New("the window is empty")
	}
	return t - 1, nil
}
