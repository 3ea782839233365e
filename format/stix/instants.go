// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"bytes"
	"strings"
)

// validTimestamp reports whether b is a timestamp of §2.16.1:
// YYYY-MM-DDTHH:mm:ss[.s+]Z, a day that exists, and a leap second only where RFC
// 3339 allows one.
func validTimestamp(b []byte) bool {
	const shape = "dddd-dd-ddTdd:dd:dd"
	if len(b) < len(shape)+1 || len(b) > 64 || b[len(b)-1] != 'Z' {
		return false
	}
	for i := range len(shape) {
		if shape[i] == 'd' && !digit(b[i]) || shape[i] != 'd' && b[i] != shape[i] {
			return false
		}
	}
	if frac := b[len(shape) : len(b)-1]; len(frac) > 0 {
		if frac[0] != '.' || len(frac) == 1 {
			return false
		}
		for _, c := range frac[1:] {
			if !digit(c) {
				return false
			}
		}
	}
	year, month, day := number(b[:4]), number(b[5:7]), number(b[8:10])
	hour, minute, second := number(b[11:13]), number(b[14:16]), number(b[17:19])
	return month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month) && hour < 24 && minute < 60 &&
		(second < 60 || second == 60 && hour == 23 && minute == 59)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func number(b []byte) (n int) {
	for _, c := range b {
		n = n*10 + int(c-'0')
	}
	return n
}

func daysOf(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// compareTimestamps orders two valid timestamps, to the last digit they have.
func compareTimestamps(a, b []byte) int {
	if c := bytes.Compare(a[:19], b[:19]); c != 0 {
		return c
	}
	return strings.Compare(fraction(a), fraction(b))
}

// fraction returns the digits of a second, without zeros at their end.
func fraction(b []byte) string {
	return strings.TrimRight(strings.Trim(string(b[19:]), ".Z"), "0")
}
