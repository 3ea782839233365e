// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// format is what a string must look like.
type format struct {
	code string
	ok   func(string) bool
	want string // what to do
}

// formats are the types of schema.txt that are strings of a certain form.
var formats = map[string]*format{
	"term":          {"kill-chain-name", validTerm, "write it in lower case, with hyphens between words"},
	"relation":      {"relationship-name", validRelation, "use a-z, 0-9 and hyphens alone"},
	"property-name": {"custom-name", validPropertyName, "use 3 to 250 of a-z, 0-9 and _"},
	"language":      {"language", validLanguage, "want a language tag such as \"en\" or \"fr-MA\" (RFC 5646)"},
	"domain":        {"domain", validDomain, "want a domain name such as \"www.example.com\""},
	"ipv4":          {"ip-address", validIPv4, "want an IPv4 address or block, such as \"192.0.2.7\" or \"192.0.2.0/24\""},
	"ipv6":          {"ip-address", validIPv6, "want an IPv6 address or block, such as \"2001:db8::7\" or \"2001:db8::/32\""},
	"mac":           {"mac", validMAC, "want six octets such as \"00:00:5e:00:53:01\", in lower case"},
	"url":           {"url", validURL, "want a URL with its scheme, such as \"https://example.com/\"; encode other characters with %"},
	"email":         {"email", validEmail, "want an address such as \"jane@example.com\"; its name goes to display_name"},
	"cpe":           {"cpe", validCPE, "want a CPE 2.3 such as \"cpe:2.3:a:vendor:product:1.0:*:*:*:*:*:*:*\""},
	"charset":       {"charset", validCharset, "want a name of the IANA character set registry, such as \"windows-1252\""},
	"registry-key":  {"registry-hive", validHive, "write the hive out, such as HKEY_LOCAL_MACHINE"},
	"media-type":    {"media-type", validMediaType, "want a media type such as \"application/zip\""},
	"country":       {"country", validCountry, "want two letters of ISO 3166-1, such as \"MA\""},
	"protocol":      {"protocol", validProtocol, "want a service name such as \"tcp\" or \"https\", in lower case"},
	"product":       {"product", validProduct, "write it in lower case, with dashes between words"},
	"priority":      {"priority", func(s string) bool { return strings.HasSuffix(s, "_CLASS") }, "let it end in _CLASS, such as NORMAL_PRIORITY_CLASS"},
}

// every reports whether s is not empty and each byte is a letter in lower case,
// a digit, or one of more.
func every(s, more string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte(more, c) >= 0) {
			return false
		}
	}
	return s != ""
}

// validTerm reports whether s is in lower case with hyphens between words.
func validTerm(s string) bool {
	return !strings.ContainsAny(s, " _") && strings.ToLower(s) == s && s != ""
}

func validRelation(s string) bool { return every(s, "-") }
func validPropertyName(s string) bool {
	return len(s) >= 3 && len(s) <= 250 && s[0] >= 'a' && every(s, "_")
}
func validProduct(s string) bool  { return every(s, "-") }
func validProtocol(s string) bool { return len(s) <= 63 && every(s, "-._+/") }

// validTypeName is validType with what §3.1 and §11.2.1 add.
func validTypeName(s string) bool {
	return validType(s) && s[0] >= 'a' && s[0] <= 'z' && !strings.Contains(s, "--")
}

// languageTag is the form of RFC 5646 §2.1, without the tags it grandfathers.
var languageTag = regexp.MustCompile(`(?i)^(?:(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4}|[a-z]{5,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[0-9a-wyz](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?|x(?:-[a-z0-9]{1,8})+|i-(?:ami|bnn|default|enochian|hak|klingon|lux|mingo|navajo|pwn|tao|tay|tsu)|sgn-(?:be-fr|be-nl|ch-de)|art-lojban|cel-gaulish|en-gb-oed|no-(?:bok|nyn)|zh-(?:guoyu|hakka|min|min-nan|xiang))$`)

func validLanguage(s string) bool {
	return len(s) == 2 && every(s, "") && s[0] > '9' && s[1] > '9' || len(s) <= 250 && languageTag.MatchString(s)
}

// validDomain reports whether s is made of labels: letters of any script, digits,
// hyphens and underscores, 1 to 63 octets each, 255 in all.
func validDomain(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 1000 {
		return false
	}
	total := 0
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if r < 0x80 && r != '-' && r != '_' && !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') || r == 0xfffd {
				return false
			}
		}
		if isASCII(label) && len(label) > 63 {
			return false
		}
		total += len(label) + 1
	}
	return total <= 254 || !isASCII(s)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func validIPv4(s string) bool { return validIP(s, netip.Addr.Is4) }
func validIPv6(s string) bool { return validIP(s, netip.Addr.Is6) }

func validIP(s string, family func(netip.Addr) bool) bool {
	if strings.IndexByte(s, '/') >= 0 {
		p, err := netip.ParsePrefix(s)
		return err == nil && family(p.Addr())
	}
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == "" && family(a)
}

func validMAC(s string) bool {
	if len(s) != 17 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if i%3 == 2 && c != ':' || i%3 != 2 && !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

// urlBytes are the bytes that RFC 3986 allows in a URL.
var urlBytes = func() (ok [256]bool) {
	for c := '!'; c < 0x7f; c++ {
		ok[c] = !strings.ContainsRune("\"<>\\^`{|}", c)
	}
	return ok
}()

// validURL reports whether s is a URL of RFC 3986 with a scheme.
func validURL(s string) bool {
	for i := range len(s) {
		if !urlBytes[s[i]] {
			return false
		}
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && len(u.Scheme)+1 < len(s)
}

func validEmail(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at == len(s)-1 || strings.ContainsAny(s, "<>\r\n") {
		return false
	}
	return s[0] == '"' || !strings.ContainsAny(s, " \t,;")
}

// validCPE reports whether s is a formatted string of CPE 2.3: eleven attributes.
func validCPE(s string) bool {
	rest, ok := strings.CutPrefix(s, "cpe:2.3:")
	if !ok || rest == "" || strings.ContainsAny(rest, " \t\r\n") || !strings.Contains("aho*-", rest[:1]) {
		return false
	}
	parts, last := 1, 0
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case ':':
			if i == last {
				return false
			}
			parts, last = parts+1, i+1
		}
	}
	return parts == 11 && last < len(rest)
}

func validCharset(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-.:()+", c) >= 0) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func validHive(s string) bool {
	hive, _, _ := strings.Cut(strings.ToUpper(s), `\`)
	switch hive {
	case "HKLM", "HKCU", "HKCR", "HKU", "HKCC", "HKPD", "HKDD":
		return false
	}
	return true
}

var mediaType = regexp.MustCompile(`^(?:application|audio|font|haptics|image|message|model|multipart|text|video|chemical|x-[a-z0-9-]+)/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$`)

func validMediaType(s string) bool { return mediaType.MatchString(s) }

// countries are the codes of ISO 3166-1 alpha-2, each between spaces.
const countries = ` AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW `

func validCountry(s string) bool {
	return len(s) == 2 && strings.Contains(countries, " "+strings.ToUpper(s)+" ")
}
