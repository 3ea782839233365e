// SPDX-License-Identifier: Apache-2.0

package exchange

// AnnounceFit is how many leaves go into one announcement.
var AnnounceFit = announceFit

// Places are selectors as a record can hold them.
var Places = places
